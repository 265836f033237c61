"""How is the product tried without an account anywhere? Stand-ins at the wire, and a page."""
