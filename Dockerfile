# One image for web, worker, beat and migrations.
FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /venv && python -m venv /tools
COPY requirements.txt requirements-build.txt /
RUN /venv/bin/pip install --require-hashes -r /requirements.txt
RUN /tools/bin/pip install --require-hashes -r /requirements-build.txt
WORKDIR /portail
COPY . .
RUN /tools/bin/pybabel compile -d locale -D django
# collectstatic reads the settings; these values are for this command only.
RUN SECRET_KEY=$(python -c 'import secrets; print(secrets.token_urlsafe(64))') \
    PORTAL_URL=https://build.invalid ALLOWED_HOSTS=build.invalid EMAIL_URL=smtp://build.invalid \
    DATABASE_URL=postgres://build.invalid/x REDIS_URL=redis://build.invalid \
    UNIVERSITY_NAME=build UNIVERSITY_DOMAINS=build.invalid \
    /venv/bin/python manage.py collectstatic --no-input
# The contents of the image, with versions and licences (CycloneDX).
RUN /tools/bin/cyclonedx-py environment --output-reproducible --output-file sbom.json /venv/bin/python
RUN /venv/bin/python -m compileall -q /portail /venv/lib

FROM python:3.11-slim
# `make image` takes it from pyproject.toml.
ARG VERSION=unknown
LABEL org.opencontainers.image.title="portail-compte" org.opencontainers.image.version="$VERSION"
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin portail
COPY --from=build /venv /venv
COPY --from=build /portail /portail
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 WEB_BIND=0.0.0.0:8000
WORKDIR /portail
USER 10001:10001
EXPOSE 8000
CMD ["gunicorn", "config.wsgi"]
