# The switches of session_sticky over fastcgi_pass, uwsgi_pass, scgi_pass and grpc_pass. lib/Protocols.pm describes the
# servers and the sections.

use Sticky qw(Protocols);

protocol_sections();
visit_lines(answer => "NAME [SEEN]\n", nothing => "NAME no Cookie\n");
run_tests();

__DATA__

=== if= off: requests alternate between the servers
--- sticky: cookie=s if=$arg_on
--- visits
/fastcgi s=ID_FB -> FA, sees "s=ID_FB", sets nothing
/fastcgi s=ID_FB -> FB, sees "s=ID_FB", sets nothing
/fastcgi s=ID_FB -> FA, sees "s=ID_FB", sets nothing
/uwsgi s=ID_UB -> UA, sees "s=ID_UB", sets nothing
/uwsgi s=ID_UB -> UB, sees "s=ID_UB", sets nothing
/uwsgi s=ID_UB -> UA, sees "s=ID_UB", sets nothing
/scgi s=ID_SB -> SA, sees "s=ID_SB", sets nothing
/scgi s=ID_SB -> SB, sees "s=ID_SB", sets nothing
/scgi s=ID_SB -> SA, sees "s=ID_SB", sets nothing
/grpc s=ID_GB -> GA, sees "s=ID_GB", sets nothing
/grpc s=ID_GB -> GB, sees "s=ID_GB", sets nothing
/grpc s=ID_GB -> GA, sees "s=ID_GB", sets nothing



=== if= off: the servers' cookies are kept, and hidden cookies remain hidden
--- sticky: cookie=test if=$arg_on option=indirect
--- visits
/fastcgi/sets a=b; test=ID_FB -> FA, sees "a=b", sets "test=abc; Path=/, mytest=abc"
/uwsgi/sets a=b; test=ID_UB -> UA, sees "a=b", sets "test=abc; Path=/, mytest=abc"
/scgi/sets a=b; test=ID_SB -> SA, sees "a=b", sets "test=abc; Path=/, mytest=abc"
/grpc/sets a=b; test=ID_GB -> GA, sees "a=b", sets "test=abc; Path=/, mytest=abc"



=== if= on
--- sticky: cookie=s if=$arg_on
--- visits
/fastcgi?on=1 s=ID_FB -> FB, sets nothing
/fastcgi?on=1 -> FA, sets "s=ID_FA; Path=/"
/uwsgi?on=1 s=ID_UB -> UB, sets nothing
/uwsgi?on=1 -> UA, sets "s=ID_UA; Path=/"
/scgi?on=1 s=ID_SB -> SB, sets nothing
/scgi?on=1 -> SA, sets "s=ID_SA; Path=/"
/grpc?on=1 s=ID_GB -> GB, sets nothing
/grpc?on=1 -> GA, sets "s=ID_GA; Path=/"



=== preserve: the servers' cookies are kept, and the module adds none
--- sticky: cookie=test preserve option=indirect
--- visits
/fastcgi/sets -> FA, sees nothing, sets "test=abc; Path=/, mytest=abc"
/uwsgi/sets -> UA, sees nothing, sets "test=abc; Path=/, mytest=abc"
/scgi/sets -> SA, sees nothing, sets "test=abc; Path=/, mytest=abc"
/grpc/sets -> GA, sees nothing, sets "test=abc; Path=/, mytest=abc"
/fastcgi -> FB, sets "test=ID_FB; Path=/"
/uwsgi -> UB, sets "test=ID_UB; Path=/"
/scgi -> SB, sets "test=ID_SB; Path=/"
/grpc -> GB, sets "test=ID_GB; Path=/"



=== nocache
--- sticky: cookie=s nocache
--- visits
/fastcgi -> FA, sets "s=ID_FA; Path=/", Cache-Control "private"
/fastcgi s=ID_FA -> FA, sets nothing, no Cache-Control
/uwsgi -> UA, sets "s=ID_UA; Path=/", Cache-Control "private"
/uwsgi s=ID_UA -> UA, sets nothing, no Cache-Control
/scgi -> SA, sets "s=ID_SA; Path=/", Cache-Control "private"
/scgi s=ID_SA -> SA, sets nothing, no Cache-Control
/grpc -> GA, sets "s=ID_GA; Path=/", Cache-Control "private"
/grpc s=ID_GA -> GA, sets nothing, no Cache-Control
/grpc/failing -> 503, sets "s=ID_GB; Path=/", Cache-Control "private"
/fastcgi/missing -> 404, sets "s=ID_FB; Path=/", Cache-Control "private"



=== nocache: the application's cookies that get an ID
--- sticky: cookie=test nocache mode=prefix
--- visits
/fastcgi/sets -> FA, sets "test=ID_FA~abc; Path=/, mytest=abc", Cache-Control "private"
/uwsgi/sets -> UA, sets "test=ID_UA~abc; Path=/, mytest=abc", Cache-Control "private"
/scgi/sets -> SA, sets "test=ID_SA~abc; Path=/, mytest=abc", Cache-Control "private"
/grpc/sets -> GA, sets "test=ID_GA~abc; Path=/, mytest=abc", Cache-Control "private"
/grpc test=ID_GB~x -> GB, sees "test=x", sets nothing, no Cache-Control



=== postonly: GET sets no cookie, POST does
--- sticky: cookie=s postonly
--- visits
/fastcgi -> FA, sets nothing
POST /fastcgi body "x" -> FB, sets "s=ID_FB; Path=/"
/uwsgi -> UA, sets nothing
POST /uwsgi body "x" -> UB, sets "s=ID_UB; Path=/"
/scgi -> SA, sets nothing
POST /scgi body "x" -> SB, sets "s=ID_SB; Path=/"
/grpc -> GA, sets nothing
POST /grpc -> GB, sets "s=ID_GB; Path=/"



=== refresh=
--- sticky: cookie=s maxidle=1h refresh=5m
--- visits
/fastcgi s=ID_FB|NOW-100|NOW-200 -> FB, sets nothing
/fastcgi s=ID_FB|NOW-301|NOW-400 -> FB, sets like "s=ID_FB\|STAMP\|NOW-400; Path=/"
/uwsgi s=ID_UB|NOW-100|NOW-200 -> UB, sets nothing
/uwsgi s=ID_UB|NOW-301|NOW-400 -> UB, sets like "s=ID_UB\|STAMP\|NOW-400; Path=/"
/scgi s=ID_SB|NOW-100|NOW-200 -> SB, sets nothing
/scgi s=ID_SB|NOW-301|NOW-400 -> SB, sets like "s=ID_SB\|STAMP\|NOW-400; Path=/"
/grpc s=ID_GB|NOW-100|NOW-200 -> GB, sets nothing
/grpc s=ID_GB|NOW-301|NOW-400 -> GB, sets like "s=ID_GB\|STAMP\|NOW-400; Path=/"
