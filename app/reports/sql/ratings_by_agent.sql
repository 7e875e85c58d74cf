-- The same by the agent of the last stint, as frozen when the answer came.
SELECT a.id AS agent_id, a.name, count(*) AS prompts, count(r.score) AS answers,
       count(*) FILTER (WHERE r.score >= 4) AS satisfied
FROM episode e
LEFT JOIN rating r ON r.episode_id = e.id
JOIN agent a ON a.id = coalesce(r.agent_id, e.agent_id)
WHERE e.rating_prompted_at >= :from_at AND e.rating_prompted_at < :to_at
  AND (CAST(:site_id AS uuid) IS NULL OR e.site_id = CAST(:site_id AS uuid))
  AND (CAST(:agent_id AS uuid) IS NULL OR coalesce(r.agent_id, e.agent_id) = CAST(:agent_id AS uuid))
GROUP BY a.id, a.name
ORDER BY lower(a.name), a.id
