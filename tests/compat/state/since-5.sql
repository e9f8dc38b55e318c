-- Targets of one instance, bodies as JWT or JWE, when executions were set, public keys, web keys, tokens.

UPDATE targets SET instance_id = 'one', payload_type = 'json' WHERE id = 'ldap-id';
UPDATE executions SET created_at = 1767225600000000, set_at = 1767225601000000;

INSERT INTO public_keys (id, target_id, pem, fingerprint, active, expires_at, created_at, changed_at)
VALUES ('523809929332039412', 'crm-id', '-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEARDDRX+FlW389Tay66nbqcIHQcGr
peaHkRycYKZh1PnZWBT+OdkJ8uYEAvHQo5oPLiMkFDWrqcXTesB0mPvaBA==
-----END PUBLIC KEY-----
', 'SHA256:L3hz/BDufzuw4EEAK3I16Fw2cvT/1ePu0vnAX2Y3m+k', 1, NULL, 1767225600000000, 1767225600000000);

INSERT INTO web_keys (id, private_key, public_key, created_at, active_at, retired_at)
VALUES ('332106439428218642', '', '-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAxNF+RaGM4X9X2wiQ5g6a
1/oJ3qWByAueHO9fG/l4V2dTGi/ZS2WfRQwIVHF2Xp1MlZrz0sONGkvCGQqQoVHs
qQy8WvgCPntPiERq6NrtyNTBJgfYru1NfoIGr8FZYp6+86AgVvZR3k1CuMk5fNDL
f9iuUToPwO5XWxcpD+nZUHoNqkD/NjodpQLaPZ/XrOX4pftpiVGOpYuMMS0r90eF
qoGwlYJ9eMH5z76PaTrpTHg3Z4uEt/LlHIK24oxuGtMY3b0jp9txf4JxTIxhq43y
pSmNfy0dOCUB7hTYoty5wArczCPkC5EfdK7YZRX9UwP7vtZnwIF2c1lykcSsPLKB
8QIDAQAB
-----END PUBLIC KEY-----
', 1767225600000000, 1767225600000000, 1767225700000000);

INSERT INTO tokens (id, name, secret_hash, role, instance_id, created_by, created_at)
VALUES ('4PH3mF6KdvdD', 'ada', '4dd2eb36b113c690978545e210f7f4a13f9605b8345b864921c98b4c497027df', 'admin', NULL, 'ada@host',
    1767225600000000);
