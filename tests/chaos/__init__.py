"""The fault campaign: real servers, real processes, seeded faults, and invariants that must hold all the same.

README.md says how to run it and where new faults, actors and invariants go.
"""
