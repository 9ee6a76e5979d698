<%@ page contentType="text/plain; charset=UTF-8" trimDirectiveWhitespaces="true" %>
<%
    // As Tomcat and Spring Security do at a login: the session stays, and gets another ID.
    request.changeSessionId();
%>server=<%= System.getProperty("tomcat.name") %>
session=<%= session.getId() %>
