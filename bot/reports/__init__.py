"""What do the books and the conversations come to, as figures that a firm can act on?

One file for each family of reports: it reads facts, lets ``billing.metrics`` reckon, and answers
with an ``Answer``. ``catalogue`` names them all.
"""
