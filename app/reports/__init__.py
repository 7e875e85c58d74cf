"""What the numbers say: every metric defined once, and the queries behind the pages that show them.

May import chat and below. Changes nothing.
"""
