-- Who is here and how busy; present means a live connection.
SELECT a.id, a.name, a.load, a.capacity, a.accepting, a.note,
       EXISTS (SELECT 1 FROM presence p JOIN gateway g ON g.id = p.gateway_id
               WHERE p.subject = a.id AND p.kind = 'agent' AND g.seen_at > CAST(:now AS timestamptz) - interval '30 seconds') AS online
FROM agent a
WHERE a.active
ORDER BY online DESC, a.load DESC, lower(a.name), a.id
