# nginx's messages about mistakes in mode=route and mode=learn.
#
#   upstream  the contents of "upstream u", after a server

use Sticky qw(Verdicts);

verdict_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(http_config => ($block->http_config // '') . "upstream u {\nserver 127.0.0.1:1985;\n" . $block->upstream . "}\n");
    $block->set_value(config => 'location / { return 200; }');
});

run_tests();

__DATA__

=== mode=route without lookup=
--- upstream
session_sticky mode=route;
--- emerg
"session_sticky" with mode=route needs "lookup=" in



=== mode=learn without lookup=
--- upstream
session_sticky mode=learn create=$arg_a zone=a:64k;
--- emerg
"session_sticky" with mode=learn needs "lookup=" in



=== mode=learn without create=
--- upstream
session_sticky mode=learn lookup=$arg_a zone=a:64k;
--- emerg
"session_sticky" with mode=learn needs "create=" in



=== mode=learn without zone=
--- upstream
session_sticky mode=learn lookup=$arg_a create=$arg_a;
--- emerg
"session_sticky" with mode=learn needs "zone=" in



=== a route twice
--- upstream
session_sticky mode=route lookup=$arg_a;
session_sticky mode=route lookup=$arg_b;
--- emerg
duplicate "session_sticky" directive in



=== learned sessions twice, with one zone
--- upstream
session_sticky mode=learn lookup=$arg_a create=$arg_a zone=a:64k;
session_sticky mode=learn lookup=$arg_a create=$arg_a zone=a:64k;
--- emerg
duplicate "session_sticky" directive in



=== a zone without a size
--- upstream
session_sticky mode=learn lookup=$arg_a create=$arg_a zone=a;
--- emerg
invalid value "a" of parameter "zone" in "session_sticky" directive, it must be "name:size" with a size of at least 8 memory pages in



=== a zone without a name
--- upstream
session_sticky mode=learn lookup=$arg_a create=$arg_a zone=:64k;
--- emerg
invalid value ":64k" of parameter "zone" in "session_sticky" directive, it must be "name:size"



=== a zone that is too small
--- upstream
session_sticky mode=learn lookup=$arg_a create=$arg_a zone=a:31k;
--- emerg
invalid value "a:31k" of parameter "zone" in "session_sticky" directive, it must be "name:size" with a size of at least 8 memory pages in



=== an invalid size
--- upstream
session_sticky mode=learn lookup=$arg_a create=$arg_a zone=a:b:64k;
--- emerg
invalid value "a:b:64k" of parameter "zone" in "session_sticky" directive



=== a size that is too large
--- upstream
session_sticky mode=learn lookup=$arg_a create=$arg_a zone=a:99999999999999999999m;
--- emerg
invalid value "a:99999999999999999999m" of parameter "zone" in "session_sticky" directive



=== the smallest zone
--- upstream
session_sticky mode=learn lookup=$arg_a create=$arg_a zone=smallest:32k timeout=1s;



=== two upstreams with the same zone
--- http_config
upstream first { server 127.0.0.1:1985; session_sticky mode=learn lookup=$arg_a create=$arg_a zone=shared:64k; }
--- upstream
session_sticky mode=learn lookup=$arg_a create=$arg_a zone=shared:64k;
--- emerg
zone "shared" is already used in upstream "first" in



=== a timeout of 0
--- upstream
session_sticky mode=learn lookup=$arg_a create=$arg_a zone=a:64k timeout=0;
--- emerg
invalid value "0" of parameter "timeout" in "session_sticky" directive, it must be a time in seconds, or with units such as "1h30m", greater than 0 in



=== lookup= without a dollar
--- upstream
session_sticky mode=route lookup=arg_a;
--- emerg
invalid value "arg_a" of parameter "lookup" in "session_sticky" directive, it must be a variable in



=== several variables in one lookup=
--- upstream
session_sticky mode=route lookup=$cookie_a$arg_a;
--- emerg
invalid value "$cookie_a$arg_a" of parameter "lookup" in "session_sticky" directive, it must be a variable in



=== several variables in one create=
--- upstream
session_sticky mode=learn create=$cookie_a$arg_a lookup=$arg_a zone=a:64k;
--- emerg
invalid value "$cookie_a$arg_a" of parameter "create" in "session_sticky" directive, it must be a variable in



=== id= of 33 characters in an upstream that learns
--- upstream
server 127.0.0.1:1986 id=a23456789012345678901234567890123;
session_sticky mode=learn lookup=$arg_a create=$arg_a zone=id33:64k;
--- emerg
"id=a23456789012345678901234567890123" is longer than 32 characters, which "session_sticky" cannot store, in upstream "u" in



=== id= of 32 characters in an upstream that learns
--- upstream
server 127.0.0.1:1986 id=a2345678901234567890123456789012;
session_sticky mode=learn lookup=$arg_a create=$arg_a zone=id32:64k;



=== id= of 33 characters in an upstream with mode=route is accepted
--- upstream
server 127.0.0.1:1986 id=a23456789012345678901234567890123;
session_sticky mode=route lookup=$arg_a;



=== parameters of a cookie
--- upstream
session_sticky mode=route lookup=$arg_a cookie=x;
--- warn
"session_sticky" with mode=route ignores cookie=: it has no cookie in



=== rebind= in mode=route
--- upstream
session_sticky mode=route lookup=$arg_a rebind=off;
--- warn
"session_sticky" with mode=route ignores rebind=: the request names its server in



=== hash= and limits in mode=learn
--- upstream
session_sticky mode=learn lookup=$arg_a create=$arg_a zone=hashes:64k hash=plain;
--- warn
"session_sticky" with mode=learn ignores hash=: servers have the ID of nginx's own "sticky" in



=== rebind=off without fallback=on
--- upstream
session_sticky mode=learn lookup=$arg_a create=$arg_a zone=rebinds:64k rebind=off fallback=off;
--- warn
rebind=off applies only with fallback=on



=== timeout= in mode=route
--- upstream
session_sticky mode=route lookup=$arg_a timeout=1h;
--- warn
timeout= applies only with mode=learn



=== lookup= with a cookie
--- upstream
session_sticky lookup=$arg_a;
--- warn
lookup= applies only with mode=route and mode=learn
