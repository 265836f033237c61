"""How does a database of yesterday become one of today? One chain for all three floors."""
