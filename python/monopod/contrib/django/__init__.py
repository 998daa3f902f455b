"""The Django app of monopod: put `monopod.contrib.django` into INSTALLED_APPS, before `django.contrib.staticfiles`.

`runserver` is served by monopod then, `compress` is a command, and `check` looks for slips of a deployment.
`monopod.contrib.django.storage` has storages that compress at the end of `collectstatic` and work without the app. Django
4.2 to 5.2.
"""
