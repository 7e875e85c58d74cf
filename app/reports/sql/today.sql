-- The day so far: what came in since :from_at, and how things stand right now.
SELECT count(*) AS episodes,
       count(e.assigned_at) AS answered,
       count(*) FILTER (WHERE e.assigned_at IS NULL AND e.outcome IN ('abandoned', 'left')) AS abandoned,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM e.assigned_at - e.queued_at))
           FILTER (WHERE e.assigned_at IS NOT NULL) AS wait_p50,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY extract(epoch FROM e.assigned_at - e.queued_at))
           FILTER (WHERE e.assigned_at IS NOT NULL) AS wait_p90,
       (SELECT count(*) FROM conversation WHERE state IN ('waiting', 'offered')) AS waiting_now,
       (SELECT extract(epoch FROM CAST(:now AS timestamptz) - min(queued_at))
        FROM conversation WHERE state IN ('waiting', 'offered')) AS longest_wait,
       (SELECT count(*) FROM conversation WHERE state = 'active') AS active_now,
       (SELECT count(*) FROM conversation WHERE left_message) AS left_messages
FROM episode e
WHERE e.queued_at >= :from_at AND e.outcome IS DISTINCT FROM 'offline'
