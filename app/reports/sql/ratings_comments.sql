-- The newest answers that came with a comment.
SELECT r.created_at, r.score, r.comment, a.name AS agent, s.name AS site, v.name AS visitor
FROM episode e
JOIN rating r ON r.episode_id = e.id
JOIN site s ON s.id = r.site_id
JOIN visitor v ON v.id = r.visitor_id
LEFT JOIN agent a ON a.id = r.agent_id
WHERE e.rating_prompted_at >= :from_at AND e.rating_prompted_at < :to_at
  AND (CAST(:site_id AS uuid) IS NULL OR e.site_id = CAST(:site_id AS uuid))
  AND (CAST(:agent_id AS uuid) IS NULL OR coalesce(r.agent_id, e.agent_id) = CAST(:agent_id AS uuid))
  AND r.comment IS NOT NULL AND r.comment <> ''
ORDER BY r.created_at DESC, r.episode_id
LIMIT :most
