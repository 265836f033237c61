"""What stands between us and a client by law, and what must be kept for it?"""
