"""Mail on its way out: submitters against scripted and real servers, retry times, the deliver step."""
