# NodeBB's assets on top of the image that made them.
ARG BASE
FROM ${BASE}
COPY --chown=1001:1001 . /usr/src/app/public/
