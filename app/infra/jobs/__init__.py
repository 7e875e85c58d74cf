"""Work that must happen later: rows written in the same transaction as their cause, carried out at least once.

`queue` holds every statement on the table, `runner` carries jobs out inside the server processes, `outcomes` says
what can come of one. Jobs hold ids, never words: what a job says is read when it runs, and gone when it was erased.
"""
