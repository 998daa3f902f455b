"""The Django app of monopod: put `monopod.contrib.django` into INSTALLED_APPS.

It has the command `compress`; `monopod.contrib.django.storage` has storages that compress at the end of `collectstatic`
and work without the app. Django 4.2 to 5.2.
"""
