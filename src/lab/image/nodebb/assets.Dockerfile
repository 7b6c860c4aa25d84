# NodeBB's assets on top of the image that made them.
ARG BASE
FROM ${BASE}
COPY . /usr/src/app/public/
