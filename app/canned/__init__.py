"""What we often answer: canned replies, who may see and change them, and the filling of their variables.

May import identity and below. Knows nothing of conversations.
"""
