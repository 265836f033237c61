"""What did a client say, without what they quoted, and what may be kept of it?"""
