# One image, roles by command: `serve` (the default), `worker`, `migrate`, `doctor`.
# It carries no embedded servers: set DESKBELL_DATABASE_URL and DESKBELL_REDIS_URL.
FROM node:22-slim AS bundle
WORKDIR /app
COPY tools/bundle tools/bundle
COPY web web
RUN tools/bundle/build

FROM python:3.11-slim AS build
WORKDIR /app
RUN python -m venv /venv
COPY requirements.lock ./
RUN /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE alembic.ini ./
COPY app app
COPY migrations migrations
COPY --from=bundle /app/web web
RUN /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation -e . \
 && /venv/bin/pip uninstall --yes --quiet hatchling editables pathspec pluggy trove-classifiers \
 && /venv/bin/python -m compileall -q app migrations

FROM python:3.11-slim
RUN useradd --uid 10001 --no-create-home --home-dir /data deskbell \
 && install -d -o deskbell -g deskbell -m 0700 /data
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DESKBELL_HOST=0.0.0.0 \
    DESKBELL_PORT=8000 \
    DESKBELL_DATA_DIR=/data \
    DESKBELL_LOG_FORMAT=json
USER 10001
VOLUME /data
EXPOSE 8000
# As long as `serve` may take to see its visitors off, and to be ready after a migration.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"DESKBELL_PORT\"]}/readyz', timeout=4)"]
ENTRYPOINT ["deskbell"]
CMD ["serve"]
