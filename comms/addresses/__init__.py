"""Where may somebody be written to, about what, and when have they said no?"""
