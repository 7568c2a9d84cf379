import '../css/api-docs.css'
/* global SwaggerUIBundle */
const place = document.getElementById('api-docs')

function colours() {
  document.documentElement.classList.toggle('dark-mode', document.documentElement.dataset.bsTheme === 'dark')
}

new MutationObserver(colours).observe(document.documentElement, { attributeFilter: ['data-bs-theme'] })
colours()

SwaggerUIBundle({
  url: place.dataset.description,
  domNode: place,
  deepLinking: true,
  docExpansion: 'none',
  defaultModelsExpandDepth: -1,
  validatorUrl: null,
  requestInterceptor(request) {
    if (!request.headers.Authorization) request.headers['X-CSRFToken'] = place.dataset.csrf
    return request
  }
})
