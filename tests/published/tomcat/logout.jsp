<%@ page contentType="text/plain; charset=UTF-8" trimDirectiveWhitespaces="true" %>
<%
    // Ends the session, and has the browser forget its cookie.
    session.invalidate();
    Cookie cookie = new Cookie("JSESSIONID", "");
    cookie.setPath("/");
    cookie.setMaxAge(0);
    response.addCookie(cookie);
%>server=<%= System.getProperty("tomcat.name") %>
