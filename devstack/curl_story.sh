. .devstack/env
post() { curl -sS -w '\n' "$API$2" -H "Authorization: Bearer $1" -H "Idempotency-Key: $RANDOM-$RANDOM-$RANDOM" -H 'Content-Type: application/json' -d "$3"; }
TAB=$(post $STAFF /tabs '{"customer_id":"'$CUSTOMER_ID'","title":"Table 4","expected_outcome":"Breakfast you enjoy","estimate_minor":600,"cap_minor":900}' | grep -o 'tab_[0-9A-Z]\{26\}' | head -1)
SEAL=$(curl -sS $API/tabs/$TAB -H "Authorization: Bearer $CUSTOMER" | grep -o '[0-9a-f]\{64\}' | head -1)
post $CUSTOMER /tabs/$TAB/accept_promise '{"promise_sha256":"'$SEAL'","consents":["cap"]}'
post $STAFF /tabs/$TAB/items '{"items":[{"description":"Flat white","unit_price_minor":380},{"description":"Croissant","unit_price_minor":270}]}'
post $STAFF /tabs/$TAB/complete '{}'
SECRET=$(post $CUSTOMER /tabs/$TAB/charges '{"mode":"on_session","tip_minor":50}' | grep -o 'pi_[0-9A-Za-z]*_secret_[0-9A-Za-z]*')
curl -sS -w '\n' $PHONE/v1/payment_intents/${SECRET%%_secret_*}/confirm -u $PUBLISHABLE_KEY: -d client_secret=$SECRET -d payment_method=pm_card_visa
sleep 1; curl -sS -w '\n' $API/tabs/$TAB -H "Authorization: Bearer $STAFF"
