. .devstack/env
post() { curl -sS -w '\n' "$API$2" -H "Authorization: Bearer $1" -H "Idempotency-Key: $RANDOM-$RANDOM-$RANDOM" -H 'Content-Type: application/json' -d "$3"; }
NUMBER=$((RANDOM % 9999 + 1))
COIN=$(post $OWNER /tokens '{"first":'$NUMBER'}' | grep -o '"secret":"[0-9A-Z]*"' | cut -d'"' -f4)
TAB=$(post $STAFF /tabs '{"token":'$NUMBER',"title":"Flat white","expected_outcome":"A drink you enjoy","estimate_minor":380}' | grep -o 'tab_[0-9A-Z]\{26\}' | head -1)
post $STAFF /tabs/$TAB/items '{"items":[{"description":"Flat white","unit_price_minor":380}]}'
post $STAFF /tabs/$TAB/complete '{}'
curl -sS -w '\n' $API/link -H "Authorization: Bearer $COIN"
SECRET=$(post $COIN /tabs/$TAB/charges '{"mode":"on_session","tip_minor":50}' | grep -o 'pi_[0-9A-Za-z]*_secret_[0-9A-Za-z]*')
curl -sS -w '\n' $PHONE/v1/payment_intents/${SECRET%%_secret_*}/confirm -u $PUBLISHABLE_KEY: -d client_secret=$SECRET -d payment_method=pm_card_visa
sleep 1; curl -sS -w '\n' $API/tabs/$TAB -H "Authorization: Bearer $STAFF"
