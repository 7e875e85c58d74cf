-- How many were asked, how many answered what. An answer counts on the day it was asked for, so that prompts and
-- answers are of the same episodes.
SELECT count(*) AS prompts,
       count(r.score) AS answers,
       count(*) FILTER (WHERE r.score >= 4) AS satisfied,
       count(*) FILTER (WHERE r.score = 1) AS ones,
       count(*) FILTER (WHERE r.score = 2) AS twos,
       count(*) FILTER (WHERE r.score = 3) AS threes,
       count(*) FILTER (WHERE r.score = 4) AS fours,
       count(*) FILTER (WHERE r.score = 5) AS fives
FROM episode e LEFT JOIN rating r ON r.episode_id = e.id
WHERE e.rating_prompted_at >= :from_at AND e.rating_prompted_at < :to_at
  AND (CAST(:site_id AS uuid) IS NULL OR e.site_id = CAST(:site_id AS uuid))
  AND (CAST(:agent_id AS uuid) IS NULL OR coalesce(r.agent_id, e.agent_id) = CAST(:agent_id AS uuid))
