# nginx beside it, with the static files.
ARG NGINX
ARG APP
FROM ${APP} AS app
FROM ${NGINX}
COPY --from=app /app/static /static
COPY nginx.conf /etc/nginx/nginx.conf
# The application is another container; /etc/hosts says where.
CMD ["nginx", "-g", "daemon off;"]
