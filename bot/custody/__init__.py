"""What is kept of people, who may see it, and how does it go, also from every copy?"""
