# The image of monopod: a Python base with the command and the package, run by nobody, ready to be built on.
#
#   docker build --tag monopod .                                       # compiles; needs BuildKit, takes minutes
#   docker build --tag monopod --build-arg BASE=python:3.12-slim .     # for another Python
#   docker build --tag monopod --target prebuilt .                     # takes what lies in target/image, compiles nothing
#
# docs/image.md tells how to use it.

# Any Debian with Python, pip and libpython: whatever is compiled is compiled in it, so C library and Python fit.
ARG BASE=python:3.13-slim
ARG RUST=rust:1.95-slim

# --- what every stage that is an image is made of: settings, no files of monopod yet ---
FROM ${BASE} AS runtime

# UNBUFFERED: what the application prints is in the log when it is printed, and not lost when the process is killed.
# DONTWRITEBYTECODE: at run time the root is read-only or should be; byte code is written at build time, which pip does
# for packages by itself and `python -m compileall` for an application.
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

# The number matters, as Kubernetes can only tell of a number that it is not root; the name is for those who ask for one.
RUN groupadd --gid 65532 monopod \
    && useradd --uid 65532 --gid 65532 --home-dir /app --no-create-home --shell /usr/sbin/nologin monopod

WORKDIR /app
USER 65532:65532

# The application; probes and metrics.
EXPOSE 8000 9191
STOPSIGNAL SIGTERM
# Kubernetes has probes of its own and ignores this. Commands that are no server want --no-healthcheck.
HEALTHCHECK --start-period=30s --interval=5s --timeout=6s --retries=3 CMD ["monopod", "healthcheck"]

# No ENTRYPOINT: `docker run IMAGE python manage.py migrate` is the other half of an image's work. No shell either.
CMD ["monopod"]

# --- parts built beforehand ---
FROM ${BASE} AS unpacked
COPY target/image/ /parts/
# The package is for what an application imports (monopod.contrib.django); its command is replaced by the native one.
RUN pip install --quiet --no-cache-dir --no-deps --no-index --root /out /parts/*.whl \
    && install /parts/monopod /out/usr/local/bin/monopod

FROM runtime AS prebuilt
COPY --from=unpacked /out/ /

# --- parts built here ---
FROM ${RUST} AS rust

FROM ${BASE} AS build
RUN apt-get update -q \
    && apt-get install -q -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
COPY --from=rust /usr/local/rustup /usr/local/rustup
COPY --from=rust /usr/local/cargo /usr/local/cargo
ENV RUSTUP_HOME=/usr/local/rustup CARGO_HOME=/usr/local/cargo PATH=/usr/local/cargo/bin:$PATH
WORKDIR /src
COPY scripts/requirements.txt scripts/
RUN pip install --quiet --no-cache-dir -r scripts/requirements.txt
COPY Cargo.toml Cargo.lock build.rs pyproject.toml README.md LICENSE ./
COPY src/ src/
COPY python/ python/
# One after the other: the two are linked with Python differently. The pinned toolchain is the image's own, so
# rust-toolchain.toml, which would fetch clippy and rustfmt as well, stays outside.
ENV PYO3_PYTHON=/usr/local/bin/python3
RUN cargo build --release --locked --bin monopod \
    && maturin build --quiet --release --locked --auditwheel skip --interpreter "$PYO3_PYTHON" --out /parts \
    && pip install --quiet --no-cache-dir --no-deps --no-index --root /out /parts/*.whl \
    && install target/release/monopod /out/usr/local/bin/monopod \
    && strip /out/usr/local/bin/monopod

FROM runtime AS monopod
COPY --from=build /out/ /
