-- What visitors were told of their wait since :from_at, beside what came of it. Those who gave up are not counted.
SELECT count(*) AS n,
       count(*) FILTER (WHERE waited BETWEEN estimate_low_s AND estimate_high_s) AS came_true,
       avg(abs(waited - estimate_s))::float8 AS off_by,
       avg(estimate_s - waited)::float8 AS bias
FROM (
    SELECT estimate_s, estimate_low_s, estimate_high_s, extract(epoch FROM assigned_at - queued_at) AS waited
    FROM episode WHERE assigned_at >= :from_at AND estimate_s IS NOT NULL
) told
