<%@ page contentType="text/plain; charset=UTF-8" trimDirectiveWhitespaces="true" %>
<%
    // Counts the visits of a session, and remembers who signed in. What it was sent is in the last lines.
    Integer visits = (Integer) session.getAttribute("visits");
    visits = visits == null ? 1 : visits + 1;
    session.setAttribute("visits", visits);
    if (request.getParameter("user") != null) {
        session.setAttribute("user", request.getParameter("user"));
    }
    Object user = session.getAttribute("user");
    String cookies = request.getHeader("Cookie");
%>server=<%= System.getProperty("tomcat.name") %>
session=<%= session.getId() %>
visits=<%= visits %>
user=<%= user == null ? "" : user %>
cookies=<%= cookies == null ? "" : cookies %>
