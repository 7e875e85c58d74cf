"""Conversations and messages: their life, their two lanes, the journal. May import contacts, identity and below.

Never imports routing: starting a conversation records a fact, and reactions put it in the queue.
"""
