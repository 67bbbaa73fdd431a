# The image of docker-compose.yml: Airflow, this project and the programs that it calls.
#
# Not built so far: the project's own machines have no Docker. What was checked stands in
# docs/operations.md.
FROM python:3.12-slim-bookworm

RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        ca-certificates chromium chromium-sandbox ffmpeg fontconfig fonts-noto-core g++ \
        libimage-exiftool-perl libnss3-tools openssl tini \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /app
COPY requirements/bootstrap.lock requirements/team.lock requirements/
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --require-hashes -r requirements/bootstrap.lock \
    && /opt/venv/bin/uv pip install --no-cache --python /opt/venv/bin/python --require-hashes \
        --no-deps --compile-bytecode -r requirements/team.lock
ENV PATH=/opt/venv/bin:$PATH

COPY LICENSE README.md pyproject.toml ./
COPY preservation preservation
COPY dags dags
COPY plugins plugins
RUN uv pip install --no-cache --python /opt/venv/bin/python --no-deps --editable . \
    # An executor or provider that a new lock broke fails the build instead of the first task.
    && AIRFLOW_HOME=/tmp/smoke python -c "import airflow.providers.celery.executors.celery_executor, \
airflow.providers.cncf.kubernetes.executors.kubernetes_executor, airflow.executors.local_executor" \
    && rm -rf /tmp/smoke

# Chromium's sandbox wants an ordinary user. /data is the deployment's home.
RUN useradd --uid 10001 --create-home preserve \
    && install -d -o preserve -g preserve /data /airflow
USER preserve
ENV AIRFLOW_HOME=/airflow \
    PRESERVE_HOME=/data
VOLUME /data
# Chromium leaves orphans behind; an init process reaps them.
ENTRYPOINT ["tini", "--"]
CMD ["preserve", "--help"]
