# Configurations from public sources, unchanged except for addresses and ports. tests/published/README.md lists the sources.

use Sticky;

our $backends = servers(<<'_EOC_', qw(A B));
set $sees none;
if ($http_cookie) { set $sees "[$http_cookie]"; }
location / { return 200 "NAME sees $sees\n"; }
location /sets { add_header Set-Cookie "test=abc"; return 200 "NAME sees $sees\n"; }
_EOC_

add_block_preprocessor(sub {
    my $block = shift;
    fill($block, $backends);
    $block->set_value('request', 'GET /') if !defined $block->request;
    $block->set_value('no_error_log', "[alert]\n[crit]\n[emerg]\n") if !defined $block->no_error_log;
});

visit_lines(path => '/', answer => "NAME sees [SEEN]\n", nothing => "NAME sees none\n");
run_tests();

__DATA__

=== WebSocket: ip_hash, and the directives for WebSocket
--- http_config
  map $http_upgrade $connection_upgrade {
    default upgrade;
    ''      close;
  }
  upstream websocket {
    ip_hash;
    server 127.0.0.1:1985 weight=2; 
    server 127.0.0.1:1986 weight=2;
  }
--- config
    location / {
      proxy_pass http://websocket;
      proxy_read_timeout 300s;
      proxy_set_header Host $host;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
        }
--- visits
-> A, sees nothing, sets nothing
-> A, sees nothing, sets nothing
-> A, sees nothing, sets nothing



=== WebSocket: sticky_cookie_insert
--- http_config
upstream backend {
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
    sticky_cookie_insert srv_id expires=1h domain=3evip.cn path=/;
}
--- config
    location / {
        proxy_pass http://backend;
    }
--- visits
-> A, sets like "srv_id=ID_A; expires=\w{3}, \d\d-\w{3}-\d\d [\d:]+ GMT; max-age=3600; domain=3evip\.cn; path=/"
srv_id=ID_B -> B, sets like "srv_id=ID_B; expires=.*"
srv_id=ID_B -> B, sets like "srv_id=ID_B; expires=.*"
--- no_error_log
[warn]
[error]
[alert]
[emerg]



=== two layers of proxies in front of Tomcat: sticky
--- http_config
upstream tomcat {
    sticky;
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
}
--- config
    location / {
        proxy_pass http://tomcat;
    }
--- visits
-> A, sets "route=ID_A; Path=/"
route=ID_B -> B, sets "route=ID_B; Path=/"
route=ID_B -> B, sets "route=ID_B; Path=/"
route=ID_A -> A, sets "route=ID_A; Path=/"
--- no_error_log
[warn]
[error]
[alert]
[emerg]



=== Tengine's manual, example 1: the defaults
--- http_config
# default: cookie=route mode=insert fallback=on
upstream foo {
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
    session_sticky;
}
--- config
    location / {
        proxy_pass http://foo;
    }
--- visits
-> A, sets "route=ID_A; Path=/"
-> B, sets "route=ID_B; Path=/"
route=ID_B -> says like "^B sees \[route=", sets nothing
route=ID_B -> B, sets nothing
--- no_error_log
[warn]
[error]
[alert]
[emerg]



=== Tengine's manual, example 1: the defaults, specified explicitly
--- http_config
upstream foo {
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
    session_sticky cookie=route mode=insert fallback=on;
}
--- config
    location / {
        proxy_pass http://foo;
    }
--- visits
-> sets "route=ID_A; Path=/"
route=ID_B -> sets nothing
--- no_error_log
[warn]
[error]
[alert]
[emerg]



=== Tengine's manual, example 2: insert and indirect, with the directive's name twice
--- http_config
# insert + indirect mode:
upstream test {
    session_sticky session_sticky cookie=uid domain=www.xxx.com fallback=on path=/ mode=insert option=indirect;
    server  127.0.0.1:1985;
}
--- config
    location / {
        # You need configure session_sticky_hide_cookie in insert + indirect mode or prefix mode.
        # It removes the cookie before sending to backend server, and the backend server will not
        # receive and process this extra cookie.
        session_sticky_hide_cookie upstream=test;
        proxy_pass http://test;
    }
--- visits
-> A, sees nothing, sets "uid=ID_A; Domain=www.xxx.com; Path=/"
uid=ID_A -> A, sees nothing, sets nothing
a=b; uid=ID_A; c=d -> A, sees "a=b; c=d", sets nothing
--- no_error_log
[error]
[alert]
[emerg]
--- may_warn
the second "session_sticky" is ignored



=== Tengine's manual, example 2: the duplicate directive name causes a [warn]
--- http_config
# insert + indirect mode:
upstream test {
    session_sticky session_sticky cookie=uid domain=www.xxx.com fallback=on path=/ mode=insert option=indirect;
    server  127.0.0.1:1985;
}
--- config
    location / {
        # You need configure session_sticky_hide_cookie in insert + indirect mode or prefix mode.
        # It removes the cookie before sending to backend server, and the backend server will not
        # receive and process this extra cookie.
        session_sticky_hide_cookie upstream=test;
        proxy_pass http://test;
    }
--- response_headers
Set-Cookie: uid=ID_A; Domain=www.xxx.com; Path=/
--- error_log eval
qr/\[warn\].*session_sticky/
--- no_error_log
[error]
[alert]
[emerg]



=== Tengine's manual: every parameter of the description
--- http_config
upstream foo {
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
    session_sticky cookie=name domain=your_domain path=/your_path maxage=3600 mode=insert option=indirect maxidle=60 maxlife=600 fallback=off hash=plain;
}
--- config
    location / {
        session_sticky_hide_cookie upstream=foo;
        proxy_pass http://foo;
    }
--- response_headers_like
Set-Cookie: name=127\.0\.0\.1:1985\|STAMP\|STAMP; Domain=your_domain; Path=/your_path; Max-Age=3600; Expires=\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT



=== Tengine's manual: prefix, "NAME=SRV~VALUE"
--- http_config
upstream foo {
    server 127.0.0.1:1985 id=SRV;
    session_sticky cookie=test mode=prefix hash=plain;
}
--- config
    location / {
        session_sticky_hide_cookie upstream=foo;
        proxy_pass http://foo;
    }
--- visits
/sets -> A, sees nothing, sets "test=SRV~abc"
/sets test=SRV~abc -> A, sees "test=abc", sets "test=SRV~abc"



=== LBSID: the cookie of the transcript, for a server at 127.0.0.3:821
--- http_config
server { listen 127.0.0.3:821; location / { return 200 "821\n"; } }
upstream backend {
    session_sticky cookie=LBSID mode=insert option=indirect maxidle=30 maxlife=3600 fallback=on;
    server 127.0.0.3:821;
}
--- config
    location / {
        session_sticky_hide_cookie upstream=backend;
        proxy_pass http://backend;
    }
--- response_headers_like
Set-Cookie: LBSID=d349ca31adc862f4d7e6faa19e516d6d\|STAMP\|STAMP; Path=/
--- response_body
821
--- skip_eval: 6: $> != 0



=== LBSID: curl sends the cookie 18 seconds later, and only the last-seen timestamp is renewed
--- http_config
upstream backend {
    session_sticky cookie=LBSID mode=insert option=indirect maxidle=30 fallback=on;
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
}
--- config
    location / {
        session_sticky_hide_cookie upstream=backend;
        proxy_pass http://backend;
    }
--- more_headers
Cookie: LBSID=ID_B|NOW-18|NOW-18; Path=/
--- response_headers_like
Set-Cookie: LBSID=ID_B\|STAMP\|NOW-18; Path=/
--- response_body
B sees [Path=/]



=== LBSID: the cookie of the transcript, years later: both timestamps are new
--- http_config
upstream backend {
    session_sticky cookie=LBSID mode=insert option=indirect maxidle=30 fallback=on;
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
}
--- config
    location / {
        session_sticky_hide_cookie upstream=backend;
        proxy_pass http://backend;
    }
--- more_headers
Cookie: LBSID=d349ca31adc862f4d7e6faa19e516d6d|1556447041|1556447041; Path=/
--- response_headers_like
Set-Cookie: LBSID=ID_A\|STAMP\|STAMP; Path=/
--- response_body
A sees [Path=/]



=== LBSID: plain IDs, the session continues within maxidle
--- http_config
upstream backend {
    session_sticky cookie=LBSID mode=insert option=indirect maxidle=30 fallback=on hash=plain;
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
}
--- config
    location / {
        session_sticky_hide_cookie upstream=backend;
        proxy_pass http://backend;
    }
--- more_headers
Cookie: LBSID=127.0.0.1:1986|NOW-18|NOW-18; Path=/
--- response_headers_like
Set-Cookie: LBSID=127\.0\.0\.1:1986\|STAMP\|NOW-18; Path=/
--- response_body
B sees [Path=/]



=== LBSID: plain IDs, after maxidle the load-balancing method selects a server
--- http_config
upstream backend {
    session_sticky cookie=LBSID mode=insert option=indirect maxidle=30 fallback=on hash=plain;
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
}
--- config
    location / {
        session_sticky_hide_cookie upstream=backend;
        proxy_pass http://backend;
    }
--- more_headers
Cookie: LBSID=127.0.0.1:1986|NOW-31|NOW-100; Path=/
--- response_headers_like
Set-Cookie: LBSID=127\.0\.0\.1:1985\|STAMP\|STAMP; Path=/
--- response_body
A sees [Path=/]



=== LBSID: rewrite, the other mode of the transcript
--- http_config
upstream backend {
    session_sticky cookie=test mode=rewrite fallback=on;
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
}
--- config
    location / {
        proxy_pass http://backend;
    }
--- visits
/sets -> A, sets "test=ID_A"
test=ID_B -> B, sets nothing
