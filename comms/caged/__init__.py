"""What words stand in a file that may have been made to harm its reader? Runs in the cage alone.

Nothing here knows rows, settings or the rest of the product: ``comms.enclosures.cage`` starts
``program`` in a process of its own, which may be killed.
"""
