# Images of mtl without a shell, for a read-only root and a user other than root.
#
#   docker build -t mtl .                        all commands
#   docker build -t mtl-serve --target serve .   the HTTP server, with a health check
#
# Writable volumes: /runs, /data or /rows for the cache of encoded rows, and /tmp. compose.yaml mounts them.

FROM node:24-trixie-slim AS build
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install --yes --no-install-recommends binutils gcc libc6-dev \
  && rm -rf /var/lib/apt/lists/*

WORKDIR /clone
COPY package.json package-lock.json ./
# The bundler's binary is an optional package.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
# Packs what an npm user gets.
RUN node bin/build.js && npm pack --ignore-scripts && mkdir /app && tar -xzf mtl-*.tgz -C /app --strip-components=1

WORKDIR /app
# The image has no compiler: this stage builds the kernels of all processor families, and each start picks one.
ENV XDG_CACHE_HOME=/cache
RUN MTL_KERNELS=native node bin/mtl.js check configs/esmm.yaml
# Symbols for debuggers are 18 MB of Node.
RUN strip --strip-unneeded -o /node /usr/local/bin/node && mkdir /runs /data /rows

FROM gcr.io/distroless/cc-debian13:nonroot AS runtime
COPY --from=build /node /usr/local/bin/node
COPY --from=build /cache/mtl/native /cache/mtl/native
COPY --from=build /app /app
COPY --from=build --chown=65532:65532 /runs /runs
COPY --from=build --chown=65532:65532 /data /data
COPY --from=build --chown=65532:65532 /rows /rows
ENV MTL_RUNS=/runs NODE_ENV=production XDG_CACHE_HOME=/cache
WORKDIR /data
USER 65532:65532
ENTRYPOINT ["node", "/app/bin/mtl.js"]
CMD ["--help"]

FROM runtime AS serve
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080/healthz').then(({ ok }) => process.exit(ok ? 0 : 1))"]
CMD ["serve", "/runs/latest", "--host", "0.0.0.0", "--port", "8080"]

FROM runtime AS mtl
