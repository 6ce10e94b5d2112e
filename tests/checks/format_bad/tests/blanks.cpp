int f(); 

  
