"""Who is who: agents, teams, sites, sign-in, permissions, and the tokens that prove them.

May import infra, protocol, events and the leaves. Knows nothing of conversations.
"""
