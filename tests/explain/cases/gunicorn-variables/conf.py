bind = ":8000,:8001"
max_requests = 0
