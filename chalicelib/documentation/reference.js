// Draws the reference. The document's own server is "where it was served from", which is said as an address here,
// because a deployment without a domain of its own has its stage in front of /v1.
const place = document.getElementById("reference");
const site = new URL("v1/openapi.json", document.baseURI).href.replace(/\/v1\/openapi\.json$/, "");
fetch(`${site}/v1/openapi.json`)
  .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(`the answer was ${answer.status}`))))
  .then((spec) => {
    place.replaceChildren();
    SwaggerUIBundle({
      spec: { ...spec, servers: [{ url: site }] },
      domNode: place,
      deepLinking: true,
      docExpansion: "none",
      defaultModelsExpandDepth: 0,
      defaultModelExpandDepth: 2,
      filter: true,
      // No colours that need styles in elements, and nobody else is asked whether the document is right.
      syntaxHighlight: false,
      validatorUrl: null,
      persistAuthorization: false,
    });
  })
  .catch((error) => {
    place.textContent = `The document could not be read: ${error.message}. Load the page again.`;
  });
