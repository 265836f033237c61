"""What does the firm put on paper: invoices, statements and receipts, as PDF files?

``facts`` are frozen values, ``reading`` makes them of rows, ``totals`` reckons, and ``invoice``,
``statement`` and ``receipt`` compose. The same facts make the same bytes.
"""
