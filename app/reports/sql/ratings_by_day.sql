-- The same by day (UTC) of the prompt; days without one are left out.
SELECT (e.rating_prompted_at AT TIME ZONE 'UTC')::date AS day, count(*) AS prompts, count(r.score) AS answers,
       count(*) FILTER (WHERE r.score >= 4) AS satisfied
FROM episode e LEFT JOIN rating r ON r.episode_id = e.id
WHERE e.rating_prompted_at >= :from_at AND e.rating_prompted_at < :to_at
  AND (CAST(:site_id AS uuid) IS NULL OR e.site_id = CAST(:site_id AS uuid))
  AND (CAST(:agent_id AS uuid) IS NULL OR coalesce(r.agent_id, e.agent_id) = CAST(:agent_id AS uuid))
GROUP BY day
ORDER BY day
