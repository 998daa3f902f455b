"""The least that Django needs; a page of the documentation may add to it."""

SECRET_KEY = "for tests"
ALLOWED_HOSTS = ["127.0.0.1", "test.example"]
ROOT_URLCONF = "mysite.urls"
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
