"""`deskbell bench`: how much one machine carries, measured on real servers from a process apart.

`ground` starts Postgres, Redis and pairs of server processes; `scene` fills the database; `generator` is the other
process, which plays visitors and agents over `wire_socket`; `messages` and `idle` are the measurements; `floor` is the
program that the first is compared with; `exactness` compares what was acknowledged, received and stored. Imports
everything but `cli` and `main`; only `cli` imports it.
"""
