"""What do staff see and do in Slack?"""
