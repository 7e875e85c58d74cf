"""What goes out by mail: a message that was left goes to the team, the answer to who left it.

Built on conversations; a sibling of routing, reports and surveys. `promises` writes the jobs down in the transaction
of their cause, the others carry them out. Nothing a visitor wrote goes to an address that nobody has proven.
"""
