# The Django example as it is served without monopod: gunicorn behind nginx.
ARG BASE
FROM ${BASE}
RUN groupadd --gid 65532 app && useradd --uid 65532 --gid 65532 --no-create-home app
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DJANGO_DATA_DIR=/data DJANGO_STATIC_ROOT=/app/static
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt gunicorn
COPY manage.py .
COPY mysite/ mysite/
COPY notes/ notes/
RUN DJANGO_SECRET_KEY=of-the-build DJANGO_DATA_DIR=/tmp/data python manage.py collectstatic --no-input --verbosity 0 \
    && python -m compileall -q . && rm -rf /tmp/data && install -d -o 65532 -g 65532 /data
VOLUME /data
USER 65532:65532
# One worker with as many threads as monopod has here: the least that gunicorn can be.
CMD ["gunicorn", "mysite.wsgi:application", "--bind", "0.0.0.0:8000", "--worker-class", "gthread", "--workers", "1", \
     "--threads", "4", "--worker-tmp-dir", "/dev/shm"]
